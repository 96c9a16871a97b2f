//! `debug getinfo` of the agent.

use async_trait::async_trait;
use steeple_proto::spire::agent::debug::v1::GetInfoRequest;
use steeple_proto::spire::agent::debug::v1::debug_client::DebugClient;

use crate::commands::call::{Call, Command};
use crate::commands::date;
use crate::commands::failure::Failure;
use crate::commands::goflag::FlagSet;
use crate::commands::info::{ChainLink, chain_text, uptime};
use crate::commands::output::Format;

/// Shows figures of the agent.
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
        let last_sync = match info.last_sync_success {
            0 => "(never)".to_owned(),
            seconds => date::rfc3339(seconds),
        };
        let links = info.svid_chain.into_iter();
        let chain: Vec<_> =
            links.map(|link| ChainLink { id: link.id, subject: link.subject, expires_at: link.expires_at }).collect();
        call.print(format_args!(
            "Agent Debug Info:\n\
             \x20 Uptime:                          {}\n\
             \x20 Last Sync Success:               {last_sync}\n\
             \x20 Cached X.509 SVIDs:              {}\n\
             \x20 Cached JWT SVIDs:                {}\n\
             \x20 Cached SVID Store X.509 SVIDs:   {}\n{}",
            uptime(info.uptime),
            info.cached_x509_svids_count,
            info.cached_jwt_svids_count,
            info.cached_svidstore_x509_svids_count,
            chain_text(&chain)
        ))
    }
}
