//! Everything that requests share, and the answers that all of them give.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::response::{IntoResponse, Response};
use tokio::sync::{Mutex, Semaphore};

use crate::base::clock::Clock;
use crate::git::Repo;
use crate::model::ids::RunId;
use crate::web::access::Access;
use crate::web::pages::notice;
use crate::web::reader::{Readers, Snapshot};
use crate::web::source::Source;

/// The number of pages that are rendered at once, so that many browsers leave the processors to the
/// run.
const RENDERED_AT_ONCE: usize = 2;

/// Everything that requests share.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) source: Source,
    pub(super) readers: Readers,
    pub(super) access: Arc<Access>,
    renders: Semaphore,
    /// `true` if pages have forms that change runs.
    pub(super) has_actions: bool,
    /// Held while an action is carried out, so that they come one after the other.
    pub(super) changes: Mutex<()>,
    /// The run that the start page leads to; none for the list of all runs.
    pub(super) run: Option<RunId>,
}

impl Site {
    /// Creates the site of a repository. The start page leads to `run`.
    pub(super) fn new(
        (repo, clock): (Repo, Clock),
        run: Option<RunId>,
        has_actions: bool,
        access: Access,
    ) -> Site {
        Site {
            readers: Readers::new(repo.clone()),
            source: Source::new(repo, clock),
            access: Arc::new(access),
            renders: Semaphore::new(RENDERED_AT_ONCE),
            has_actions,
            changes: Mutex::default(),
            run,
        }
    }

    /// Returns the address with the token.
    pub(super) fn address(&self) -> String {
        self.access.address()
    }
}

/// Reads a run as it is now.
///
/// # Errors
/// The answer in place of a page: no such run, or one that cannot be read.
pub(super) async fn snapshot(site: &Arc<Site>, run: &str) -> Result<Arc<Snapshot>, Response> {
    let Some(run) = known_run(site, run).await else {
        return Err(missing().await);
    };
    let read = site.readers.read(&run).await;
    read.map_err(|why| unreadable(&why))
}

/// Finds a run by its whole name.
pub(super) async fn known_run(site: &Arc<Site>, name: &str) -> Option<RunId> {
    let name = name.to_owned();
    let found = in_thread(site, move |site| {
        let runs = site.source.runs().unwrap_or_default();
        runs.into_iter().find(|run| run.as_str() == name)
    });
    found.await
}

/// Runs work that reads git in a thread, no more at once than processors can spare.
pub(super) async fn in_thread<T: Send + 'static>(
    site: &Arc<Site>,
    work: impl FnOnce(&Site) -> T + Send + 'static,
) -> T {
    // The semaphore is never closed, and a thread that panics ends the request alone.
    let _permit = site.renders.acquire().await;
    let shared = Arc::clone(site);
    match tokio::task::spawn_blocking(move || work(&shared)).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

pub(super) async fn missing() -> Response {
    let page = notice::render(
        "No such page",
        "There is no such run, task or page.",
        "",
        Some(("/index.html", "All runs")),
    );
    html(StatusCode::NOT_FOUND, page)
}

pub(super) fn unreadable(why: &str) -> Response {
    let page = notice::render("Not readable", why, "", Some(("/index.html", "All runs")));
    html(StatusCode::INTERNAL_SERVER_ERROR, page)
}

pub(super) fn html(status: StatusCode, page: String) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

pub(super) fn redirect(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, path)]).into_response()
}
