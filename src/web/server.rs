//! Serves the pages on this machine until a signal.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::base::clock::Clock;
use crate::git::Repo;
use crate::model::ids::RunId;
use crate::web::access::Access;
use crate::web::failure::WebError;
use crate::web::router::router;
use crate::web::site::Site;

/// Serves the pages of a repository on this port of this machine; 0 takes a free one. The start page
/// leads to `run`, or to the list of all runs. With `has_actions` the pages have forms that change runs.
/// `announce` gets the address with the token once it can be opened.
///
/// # Errors
/// When the port cannot be listened on.
pub fn serve(
    place: (Repo, Clock),
    run: Option<RunId>,
    port: u16,
    has_actions: bool,
    announce: impl FnOnce(&str),
) -> Result<(), WebError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(WebError::Start)?;
    let served = runtime.block_on(async {
        // The signals come first, so that one after the announcement ends the server and no more.
        let mut ends = Ends::listen().map_err(WebError::Start)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener.map_err(|error| WebError::Listen(port, error))?;
        let port = listener.local_addr().map_err(WebError::Start)?.port();
        let access = Access::draw(port).map_err(WebError::Start)?;
        let site = Arc::new(Site::new(place, run, has_actions, access));
        announce(&site.address());
        tokio::select! {
            served = axum::serve(listener, router(site)) => served.map_err(WebError::Start),
            () = ends.wait() => Ok(()),
        }
    });
    // A page that is being rendered ends with the process.
    runtime.shutdown_background();
    served
}

/// The signals that end the server.
struct Ends {
    signals: [tokio::signal::unix::Signal; 3],
}

impl Ends {
    fn listen() -> std::io::Result<Ends> {
        let [interrupt, terminate, hangup] = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ]
        .map(signal);
        Ok(Ends {
            signals: [interrupt?, terminate?, hangup?],
        })
    }

    async fn wait(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
