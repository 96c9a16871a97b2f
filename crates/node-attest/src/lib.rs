//! Node attestors, both halves of each kind.
