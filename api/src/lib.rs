//! twig-api
