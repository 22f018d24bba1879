//! Answers each request: finds the run and the page, and lets a thread render it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::middleware::from_fn_with_state;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::Stream;
use tokio::sync::{Mutex, Semaphore, watch};

use crate::base::clock::Clock;
use crate::base::text::error_chain;
use crate::git::Repo;
use crate::model::ids::RunId;
use crate::web::access::Access;
use crate::web::actions::carry_out::{Answers, carry_out};
use crate::web::actions::form::{self, Line};
use crate::web::actions::land::preview;
use crate::web::actions::refused::Refused;
use crate::web::actions::{Action, offered};
use crate::web::asset::{self, Asset};
use crate::web::guard::guard;
use crate::web::pages::{self, Medium, notice};
use crate::web::place::Place;
use crate::web::reader::{Readers, Snapshot};
use crate::web::source::{Forms, Source};

/// The number of pages that are rendered at once, so that many browsers leave the processors to the
/// run.
const RENDERED_AT_ONCE: usize = 2;

/// Everything that requests share.
#[derive(Debug)]
pub(super) struct Site {
    source: Source,
    readers: Readers,
    access: Arc<Access>,
    renders: Semaphore,
    /// `true` if pages have forms that change runs.
    has_actions: bool,
    /// Held while an action is carried out, so that they come one after the other.
    changes: Mutex<()>,
    /// The run that the start page leads to; none for the list of all runs.
    run: Option<RunId>,
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

/// Builds the routes of a site, all behind the guard.
pub(super) fn router(site: Arc<Site>) -> Router {
    let access = Arc::clone(&site.access);
    let mut router = Router::new()
        .route("/", get(start))
        .route("/index.html", get(runs))
        .route("/{run}/events", get(events))
        .route("/{run}/{file}", get(page).post(act))
        .route("/{run}/", get(board))
        .route("/{run}", get(board));
    for asset in asset::ALL {
        router = router.route(&format!("/{}", asset.name), get(move || file(asset)));
    }
    let router = router.fallback(missing).with_state(site);
    router.layer(from_fn_with_state(access, guard))
}

async fn file(asset: Asset) -> Response {
    ([(CONTENT_TYPE, asset.kind)], asset.text).into_response()
}

async fn start(State(site): State<Arc<Site>>) -> Response {
    match &site.run {
        Some(run) => redirect(&board_path(run)),
        None => redirect("/index.html"),
    }
}

async fn board(State(site): State<Arc<Site>>, Path(run): Path<String>) -> Response {
    match known_run(&site, &run).await {
        Some(run) => redirect(&board_path(&run)),
        None => missing().await,
    }
}

async fn runs(State(site): State<Arc<Site>>) -> Response {
    let site = &site;
    let rows = in_thread(site, |site| site.source.rows()).await;
    match rows {
        Ok(rows) => html(StatusCode::OK, pages::runs::render(&rows, Medium::Served)),
        Err(error) => unreadable(&error_chain(&error)),
    }
}

async fn page(
    State(site): State<Arc<Site>>,
    Path((run, file)): Path<(String, String)>,
    Query(line): Query<Line>,
) -> Response {
    if let Some(action) = action_of(&site, &file, "ask-") {
        return ask(&site, &run, action, line).await;
    }
    let Some(place) = Place::parse(&file) else {
        return missing().await;
    };
    let snapshot = match snapshot(&site, &run).await {
        Ok(snapshot) => snapshot,
        Err(answer) => return answer,
    };
    let rendered = in_thread(&site, move |site| {
        let forms = site.forms(&snapshot, place);
        site.source.page(&snapshot, place, Medium::Served, &forms)
    });
    match rendered.await {
        Ok(Some(page)) => html(StatusCode::OK, page),
        Ok(None) => missing().await,
        Err(why) => unreadable(&why),
    }
}

/// Returns the action of a file such as `ask-retry-3.html`, where actions are allowed.
fn action_of(site: &Site, file: &str, verb: &str) -> Option<Action> {
    let name = file.strip_prefix(verb)?.strip_suffix(".html")?;
    Action::parse(name).filter(|_| site.has_actions)
}

/// Asks before an action.
async fn ask(site: &Arc<Site>, run: &str, action: Action, line: Line) -> Response {
    let snapshot = match snapshot_for(site, run, action).await {
        Ok(snapshot) => snapshot,
        Err(answer) => return answer,
    };
    let shown = Arc::clone(&snapshot);
    let page = in_thread(site, move |site| {
        let preview = match action {
            Action::Land => Some(preview(&site.source, &shown.state.run)?),
            _ => None,
        };
        let token = site.access.form_token();
        Ok(form::render(&shown, action, &line, preview.as_ref(), token))
    });
    match page.await {
        Ok(page) => html(StatusCode::OK, page),
        Err(refused) => refuse(&snapshot, action, &refused),
    }
}

/// Carries out an action that was asked for.
async fn act(
    State(site): State<Arc<Site>>,
    Path((run, file)): Path<(String, String)>,
    Form(answers): Form<Answers>,
) -> Response {
    let Some(action) = action_of(&site, &file, "do-") else {
        return missing().await;
    };
    if !site.access.fits_form(&answers.token) {
        let page = notice::render("Not done", "The form is not one of this server.", "", None);
        return html(StatusCode::FORBIDDEN, page);
    }
    let _one = site.changes.lock().await;
    let snapshot = match snapshot_for(&site, &run, action).await {
        Ok(snapshot) => snapshot,
        Err(answer) => return answer,
    };
    let id = snapshot.state.run.clone();
    let done = in_thread(&site, move |site| {
        carry_out(&site.source, &id, action, &answers)
    });
    let back = format!("/{}/{}", snapshot.state.run, form::back(action).file());
    match (done.await, action) {
        (Ok(sentence), Action::Land) => {
            let page = notice::render("Landed", &sentence, "", Some((&back, "Back")));
            html(StatusCode::OK, page)
        }
        (Ok(_), _) => redirect(&back),
        (Err(refused), _) => refuse(&snapshot, action, &refused),
    }
}

/// Reads a run, and checks that it can take an action now.
///
/// # Errors
/// The answer in place of a page.
async fn snapshot_for(
    site: &Arc<Site>,
    run: &str,
    action: Action,
) -> Result<Arc<Snapshot>, Response> {
    let snapshot = snapshot(site, run).await?;
    let tasks = 1..=snapshot.state.tasks.len();
    if action
        .task()
        .is_some_and(|task| !tasks.contains(&(task.0 as usize)))
    {
        return Err(missing().await);
    }
    match offered(&snapshot, action.task()).contains(&action) {
        true => Ok(snapshot),
        false => {
            let why = "The run cannot take this now: it has changed since the page was shown.";
            Err(refuse(&snapshot, action, &Refused(why.to_owned())))
        }
    }
}

fn refuse(snapshot: &Snapshot, action: Action, refused: &Refused) -> Response {
    let back = format!("/{}/{}", snapshot.state.run, form::back(action).file());
    let page = notice::render("Not done", &refused.0, "", Some((&back, "Back")));
    html(StatusCode::CONFLICT, page)
}

impl Site {
    /// Returns the forms of a page.
    fn forms(&self, snapshot: &Snapshot, place: Place) -> Forms {
        let actions = match place {
            _ if !self.has_actions => Vec::new(),
            Place::Board => offered(snapshot, None),
            Place::Task(task) if (1..=snapshot.state.tasks.len()).contains(&(task.0 as usize)) => {
                offered(snapshot, Some(task))
            }
            _ => Vec::new(),
        };
        let mut asks = actions
            .iter()
            .filter(|action| matches!(action, Action::SendBack(_)));
        Forms {
            comments: asks.next().map(|action| form::ask_page(*action)),
            markup: form::buttons(&actions),
        }
    }
}

async fn events(State(site): State<Arc<Site>>, Path(run): Path<String>) -> Response {
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

/// Reads a run as it is now.
///
/// # Errors
/// The answer in place of a page: no such run, or one that cannot be read.
async fn snapshot(site: &Arc<Site>, run: &str) -> Result<Arc<Snapshot>, Response> {
    let Some(run) = known_run(site, run).await else {
        return Err(missing().await);
    };
    let read = site.readers.read(&run).await;
    read.map_err(|why| unreadable(&why))
}

/// Finds a run by its whole name.
async fn known_run(site: &Arc<Site>, name: &str) -> Option<RunId> {
    let name = name.to_owned();
    let found = in_thread(site, move |site| {
        let runs = site.source.runs().unwrap_or_default();
        runs.into_iter().find(|run| run.as_str() == name)
    });
    found.await
}

/// Runs work that reads git in a thread, no more at once than processors can spare.
async fn in_thread<T: Send + 'static>(
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

async fn missing() -> Response {
    let page = notice::render(
        "No such page",
        "There is no such run, task or page.",
        "",
        Some(("/index.html", "All runs")),
    );
    html(StatusCode::NOT_FOUND, page)
}

fn unreadable(why: &str) -> Response {
    let page = notice::render("Not readable", why, "", Some(("/index.html", "All runs")));
    html(StatusCode::INTERNAL_SERVER_ERROR, page)
}

fn html(status: StatusCode, page: String) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}

fn redirect(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, path)]).into_response()
}

fn board_path(run: &RunId) -> String {
    format!("/{run}/{}", Place::Board.file())
}
