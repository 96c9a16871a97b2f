//! steeple-tests-system
