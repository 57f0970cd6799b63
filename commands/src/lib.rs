//! twig-commands
