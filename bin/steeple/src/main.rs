//! The one binary of steeple.

fn main() {}
