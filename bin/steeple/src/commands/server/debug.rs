//! `debug getinfo` of the server.

use async_trait::async_trait;
use steeple_proto::spire::api::server::debug::v1::GetInfoRequest;
use steeple_proto::spire::api::server::debug::v1::debug_client::DebugClient;

use crate::commands::call::{Call, Command};
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::info::{ChainLink, chain_text, uptime};
use crate::commands::output::Format;

/// Shows figures of the server.
#[derive(Default)]
pub(crate) struct GetInfo {
    format: Format,
}

#[async_trait(?Send)]
impl Command for GetInfo {
    fn flags<'a>(&'a mut self, flags: &mut FlagSet<'a>) {
        flags.format(&mut self.format, &["output"]);
    }

    async fn run(&mut self, call: &mut Call<'_>) -> Result<(), Failure> {
        let info = call.reply(DebugClient::new(call.channel.clone()).get_info(GetInfoRequest {})).await?;
        if self.format == Format::Json {
            return call.print_json(&info);
        }
        let links = info.svid_chain.into_iter();
        let chain: Vec<_> =
            links.map(|link| ChainLink { id: link.id, subject: link.subject, expires_at: link.expires_at }).collect();
        call.print(format_args!(
            "Server Debug Info:\n\
             \x20 Uptime:                  {}\n\
             \x20 Registered Agents:       {}\n\
             \x20 Registration Entries:    {}\n\
             \x20 Federated Bundles:       {}\n{}",
            uptime(info.uptime),
            info.agents_count,
            info.entries_count,
            info.federated_bundles_count,
            chain_text(&chain)
        ))
    }
}
