//! Time as an argument: the `Clock` seam, the system clock and a manual one.
