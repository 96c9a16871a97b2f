//! The standard output.

use async_trait::async_trait;
use tokio::io::AsyncWriteExt as _;

use super::{Message, Outlet, Undelivered, lines};

pub(super) struct Stdout;

#[async_trait]
impl Outlet for Stdout {
    async fn deliver(&mut self, messages: &[Message]) -> Result<u64, Undelivered> {
        let mut stdout = tokio::io::stdout();
        let written = async {
            stdout.write_all(&lines(messages)).await?;
            stdout.flush().await
        };
        written.await.map(|()| 0).map_err(|error| format!("standard output: {error}").into())
    }
}
