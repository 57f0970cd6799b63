//! twig-tests
