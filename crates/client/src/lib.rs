//! Clients of the APIs: over Unix sockets and over mTLS.
