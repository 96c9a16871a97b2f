//! Listeners, peer credentials, mTLS that follows a watch, HTTP/2 authority filter.
