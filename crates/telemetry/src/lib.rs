//! Logs in the form of logrus, metrics under the names of SPIRE.
