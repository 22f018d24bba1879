//! Answers each request: finds the run and the page, and lets a thread render it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::base::text::error_chain;
use crate::model::ids::RunId;
use crate::web::actions::carry_out::{Answers, carry_out};
use crate::web::actions::form;
use crate::web::actions::hindrance::hindrance;
use crate::web::actions::land::preview;
use crate::web::actions::line::{self, Line};
use crate::web::actions::refused::Refused;
use crate::web::actions::{Action, offered};
use crate::web::asset::{self, Asset};
use crate::web::guard::guard;
use crate::web::live::{events, log};
use crate::web::pages::{self, Medium, notice};
use crate::web::place::Place;
use crate::web::reader::Snapshot;
use crate::web::site::{Site, html, in_thread, known_run, missing, redirect, snapshot, unreadable};
use crate::web::source::Forms;

/// Builds the routes of a site, all behind the guard.
pub(super) fn router(site: Arc<Site>) -> Router {
    let access = Arc::clone(&site.access);
    let mut router = Router::new()
        .route("/", get(start))
        .route("/index.html", get(runs))
        .route("/{run}/events", get(events))
        .route("/{run}/log/{task}", get(log))
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
        let line = match action {
            Action::SendBack(task) => line::find(&site.source, &shown.state, task, &line)?,
            _ => None,
        };
        let (line, preview) = (line.as_ref(), preview.as_ref());
        let token = site.access.form_token();
        Ok(form::render(&shown, action, line, preview, token))
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
            let why = hindrance(&snapshot, action);
            Err(refuse(&snapshot, action, &Refused(why)))
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

fn board_path(run: &RunId) -> String {
    format!("/{run}/{}", Place::Board.file())
}
