//! Process life: supervisor, shutdown, backoff, readiness, signals.
