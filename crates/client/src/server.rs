//! Connections to a server's API on the network.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use steeple_crypto::tls::{KeyExchange, ServerVerification, TlsSource, client_config};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::DialError;

/// Longest a connection may take to be made.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// A channel to the server at `host` and `port`, connected by the first call on it. What `source` holds at the time of a
/// handshake is shown; the server is checked by `verification`, and keys are
/// exchanged as `exchange` says.
///
/// # Errors
/// [`rustls::Error`] when the crypto provider lacks what is needed.
pub fn connect_server(
    host: &str,
    port: u16,
    source: Arc<dyn TlsSource>,
    verification: ServerVerification,
    exchange: KeyExchange,
) -> Result<Channel, rustls::Error> {
    let connector = TlsConnector::from(Arc::new(client_config(source, verification, exchange)?));
    let name = ServerName::try_from("spire-server").map_err(|error| rustls::Error::General(error.to_string()))?;
    let host = host.to_owned();
    let dial = service_fn(move |_| {
        let (connector, host, name) = (connector.clone(), host.clone(), name.clone());
        async move {
            let unreached = |error| DialError::dial("tcp", format_args!("{host}:{port}"), &error);
            let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(unreached)?;
            tcp.set_nodelay(true).map_err(unreached)?;
            let tls = connector.connect(name, tcp).await.map_err(|error| DialError::handshake(&error))?;
            Ok::<_, DialError>(TokioIo::new(tls))
        }
    });
    let endpoint = Endpoint::from_static("https://spire-server")
        .connect_timeout(CONNECT_DEADLINE)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    Ok(endpoint.connect_with_connector_lazy(dial))
}
