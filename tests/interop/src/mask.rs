//! Two runs of one command compared: what differs from run to run is masked.
