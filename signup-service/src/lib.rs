//! signup-service
