//! A transport that lets only requests open the connection.
//!
//! Without it, a notification or an answer before the first request would end the server.

use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, GetMeta, ProtocolVersion};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

/// Drops everything but requests until one has opened the connection.
pub(super) struct Opening<T> {
    transport: T,
    is_open: bool,
}

impl<T> Opening<T> {
    /// Wraps a transport.
    pub(super) fn new(transport: T) -> Opening<T> {
        Opening {
            transport,
            is_open: false,
        }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Opening<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.transport.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            let message = self.transport.receive().await?;
            if self.is_open {
                return Some(message);
            }
            if let ClientJsonRpcMessage::Request(request) = &message {
                self.is_open = opens(&request.request);
                return Some(message);
            }
            tracing::debug!("ignoring a message before the first request");
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.transport.close().await
    }
}

/// Returns `true` if a request opens the connection: `initialize`, or one that brings the metadata of
/// a protocol without it.
fn opens(request: &ClientRequest) -> bool {
    let brings_metadata = || {
        let missing = request
            .get_meta()
            .missing_required_keys(&ProtocolVersion::V_2026_07_28);
        missing.is_empty()
    };
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
        _ => brings_metadata(),
    }
}
