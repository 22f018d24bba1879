//! A transport that lets only the right requests open the connection.
//!
//! Without it, a notification or an answer before the first request would end the server.

use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ErrorData, GetMeta, ProtocolVersion};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;

/// Drops everything but requests, and refuses calls, until a request has opened the connection.
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
                match &request.request {
                    ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => {
                        return Some(message);
                    }
                    ClientRequest::InitializeRequest(_) => self.is_open = true,
                    call => match refusal(call) {
                        None => self.is_open = true,
                        Some(error) => {
                            let id = Some(request.id.clone());
                            let answer = TxJsonRpcMessage::<RoleServer>::error(error, id);
                            // A future of its own, because this one may be dropped in the middle.
                            let _ = tokio::spawn(self.transport.send(answer)).await;
                            continue;
                        }
                    },
                }
                return Some(message);
            }
            tracing::debug!("ignoring a message before the first request");
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.transport.close().await
    }
}

/// Returns why a call cannot open the connection; `None` if it brings the metadata of a protocol
/// without `initialize`.
fn refusal(call: &ClientRequest) -> Option<ErrorData> {
    let (method, metadata) = (call.method(), call.get_meta());
    if method == "initialize" {
        let what = "invalid parameters of initialize: it needs `protocolVersion`, `capabilities` and \
                    `clientInfo` with `name` and `version`";
        return Some(ErrorData::invalid_params(what, None));
    }
    let missing = metadata.missing_required_keys(&ProtocolVersion::V_2026_07_28);
    let version = metadata.protocol_version();
    let what = match (missing.is_empty(), version) {
        (true, Some(version)) if ProtocolVersion::KNOWN_VERSIONS.contains(&version) => return None,
        (true, Some(version)) => {
            let known = ProtocolVersion::KNOWN_VERSIONS;
            return Some(ErrorData::unsupported_protocol_version(version, known));
        }
        (false, Some(_)) => format!(
            "{method} lacks metadata: `_meta` needs {}",
            missing.join(", ")
        ),
        _ => format!(
            "{method} came before initialize: send initialize first, or the metadata of protocol \
             {} in the `_meta` of every request",
            ProtocolVersion::V_2026_07_28
        ),
    };
    Some(ErrorData::invalid_request(what, None))
}
