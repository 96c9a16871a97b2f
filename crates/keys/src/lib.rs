//! Key managers: memory and disk.
