//! twig-workers
