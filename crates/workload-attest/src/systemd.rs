//! `systemd`: the unit that a process belongs to, asked over D-Bus.

use async_trait::async_trait;
use steeple_plugin::{PluginError, WorkloadAttestor};
use steeple_types::Selector;
use tokio::sync::Mutex;
use zbus::{Connection, OwnedObjectPath, OwnedVariant};

use crate::internal;

const NAME: &str = "systemd";
const DESTINATION: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const UNIT: &str = "org.freedesktop.systemd1.Unit";

/// Attests by the unit that systemd knows a process under.
#[derive(Default)]
pub struct Systemd {
    /// Opened at the first call and again after the bus went away.
    connection: Mutex<Option<Connection>>,
}

impl Systemd {
    /// An attestor that asks on the system bus.
    pub fn new() -> Self {
        Self::default()
    }

    async fn connection(&self) -> Result<Connection, PluginError> {
        let mut slot = self.connection.lock().await;
        if let Some(connection) = slot.as_ref() {
            return Ok(connection.clone());
        }
        let connection = Connection::system()
            .await
            .map_err(|error| internal(NAME, format!("failed to open dbus connection: {error}")))?;
        Ok(slot.insert(connection).clone())
    }

    async fn unit(&self, pid: u32) -> Result<(String, String), PluginError> {
        let bus = self.connection().await?;
        let reply = bus.call_method(Some(DESTINATION), PATH, Some(MANAGER), "GetUnitByPID", &(pid)).await;
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => {
                if !matches!(error, zbus::Error::MethodError(..)) {
                    *self.connection.lock().await = None;
                }
                return Err(internal(NAME, format!("failed to get unit by pid {pid}: {error}")));
            }
        };
        let unit: OwnedObjectPath = reply
            .body()
            .deserialize()
            .map_err(|error| internal(NAME, format!("failed to get unit by pid {pid}: {error}")))?;
        Ok((property(&bus, &unit, "Id").await?, property(&bus, &unit, "FragmentPath").await?))
    }
}

async fn property(bus: &Connection, unit: &OwnedObjectPath, name: &str) -> Result<String, PluginError> {
    let failed = |error: zbus::Error| internal(NAME, format!("error getting value for {name}: {error}"));
    let reply =
        bus.call_method(Some(DESTINATION), unit, Some(PROPERTIES), "Get", &(UNIT, name)).await.map_err(failed)?;
    let value: OwnedVariant = reply.body().deserialize().map_err(failed)?;
    String::try_from(value).map_err(|_| internal(NAME, format!("returned value for {name} was not a string")))
}

#[async_trait]
impl WorkloadAttestor for Systemd {
    fn name(&self) -> &str {
        NAME
    }

    async fn attest(&self, pid: u32) -> Result<Vec<Selector>, PluginError> {
        let (id, fragment_path) = self.unit(pid).await?;
        Ok(crate::selectors(NAME, [format!("id:{id}"), format!("fragment_path:{fragment_path}")]))
    }
}
