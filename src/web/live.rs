//! Answers what a page asks for again while its run is live: the versions of the run, and a log that grows.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use serde::Deserialize;
use tokio::sync::watch;

use crate::model::ids::TaskNumber;
use crate::web::pages;
use crate::web::site::{Site, html, in_thread, known_run, missing, snapshot};

/// Follows a run.
pub(super) async fn events(State(site): State<Arc<Site>>, Path(run): Path<String>) -> Response {
    let Some(run) = known_run(&site, &run).await else {
        return missing().await;
    };
    let versions = Versions::new(site.readers.follow(&run).await);
    let alive = KeepAlive::default();
    Sse::new(versions).keep_alive(alive).into_response()
}

/// The versions of a run as events: the current one, then each new one.
struct Versions {
    next: Pin<Box<dyn Future<Output = Option<Version>> + Send>>,
}

/// A version, and where the next one comes from.
type Version = (String, watch::Receiver<String>);

impl Versions {
    fn new(mut versions: watch::Receiver<String>) -> Versions {
        let first = versions.borrow_and_update().clone();
        Versions {
            next: Box::pin(async move { Some((first, versions)) }),
        }
    }
}

async fn changed(mut versions: watch::Receiver<String>) -> Option<Version> {
    versions.changed().await.ok()?;
    let version = versions.borrow_and_update().clone();
    Some((version, versions))
}

impl Stream for Versions {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.next.as_mut().poll(context).map(|next| {
            let (version, versions) = next?;
            self.next = Box::pin(changed(versions));
            Some(Ok(Event::default().event("version").data(version)))
        })
    }
}

/// The log that a page shows.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    /// Its mark.
    #[serde(default)]
    seen: String,
}

/// Answers with the log of a task, if it is another one than the page has.
pub(super) async fn log(
    State(site): State<Arc<Site>>,
    Path((run, task)): Path<(String, String)>,
    Query(Seen { seen }): Query<Seen>,
) -> Response {
    let snapshot = match snapshot(&site, &run).await {
        Ok(snapshot) => snapshot,
        Err(answer) => return answer,
    };
    let number = task.parse().ok().map(TaskNumber);
    let tasks = 1..=snapshot.state.tasks.len();
    let Some(task) = number.filter(|task| tasks.contains(&(task.0 as usize))) else {
        return missing().await;
    };
    let part = in_thread(&site, move |site| {
        let state = &snapshot.state;
        // Its mark alone costs a look at the lengths of some files.
        let is_new = site.source.log_mark(state, task) != Some(seen);
        is_new.then(|| pages::task::log_part(&site.source.log(state, task), task).into_string())
    });
    match part.await {
        Some(part) => html(StatusCode::OK, part),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}
