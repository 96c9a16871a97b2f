//! Reader of HCL 1 and JSON configuration as SPIRE accepts it, Go durations, weak typing.
