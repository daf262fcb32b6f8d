//! The check dialect: expectations inside end-to-end tests.
