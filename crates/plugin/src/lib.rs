//! Traits of the plugins: key managers, attestors, upstream authorities; with contract tests.
