//! steeple-tests-interop
