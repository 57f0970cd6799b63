//! twig-knowledge
