//! twig-projections
