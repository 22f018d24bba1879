//! The frame of every page: head, navigation and footer.

use maud::{DOCTYPE, Markup, html};

use crate::model::ids::RunId;
use crate::web::place::Place;
use crate::web::text::shown;

/// The medium of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::web) enum Medium {
    /// A browser that is connected to this program.
    Served,
    /// An answer in place of a page, at any path of the server.
    Answer,
    /// A file.
    File,
}

/// The run of a page.
#[derive(Clone, Copy, Debug)]
pub(in crate::web) struct Subject<'a> {
    /// The run.
    pub(in crate::web) run: &'a RunId,
    /// Identifies the state that the page shows.
    pub(in crate::web) version: &'a str,
    /// `true` while the run has not ended.
    pub(in crate::web) is_live: bool,
}

/// The frame of one page.
#[derive(Clone, Copy, Debug)]
pub(in crate::web) struct Frame<'a> {
    /// The title, before that of the run; foreign text.
    pub(in crate::web) title: &'a str,
    /// The run, unless the page is about all runs.
    pub(in crate::web) subject: Option<Subject<'a>>,
    /// The page itself, in the navigation.
    pub(in crate::web) place: Option<Place>,
    /// The medium.
    pub(in crate::web) medium: Medium,
}

impl Frame<'_> {
    /// Renders a page with this content.
    pub(in crate::web) fn render(&self, content: &Markup) -> String {
        let is_served = self.medium == Medium::Served;
        let live = self.subject.filter(|_| is_served);
        let up = match (self.medium, self.subject) {
            (Medium::Answer, _) => "/",
            (_, Some(_)) => "../",
            (_, None) => "",
        };
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.full_title()) }
                    link rel="stylesheet" href={ (up) "page.css" };
                    link rel="icon" href={ (up) "icon.svg" } type="image/svg+xml";
                    @if is_served {
                        script src={ (up) "page.js" } defer {}
                    }
                    @if live.is_some_and(|run| run.is_live) {
                        noscript { meta http-equiv="refresh" content="10"; }
                    }
                }
                body data-events=[live.map(|_| "events")]
                    data-version=[live.map(|run| run.version)]
                    data-live=[live.and_then(|run| run.is_live.then_some("yes"))] {
                    a.skip href="#main" { "Skip to the content" }
                    header { (self.navigation(up)) }
                    main #main tabindex="-1" { (content) }
                    footer {
                        p {
                            "dispatch " (env!("CARGO_PKG_VERSION"))
                            @if live.is_some() { " · " span #live role="status" {} }
                        }
                    }
                }
            }
        };
        page.into_string()
    }

    fn full_title(&self) -> String {
        match self.subject {
            Some(subject) => format!("{} · {} · dispatch", shown(self.title), subject.run),
            None => format!("{} · dispatch", shown(self.title)),
        }
    }

    fn navigation(&self, up: &str) -> Markup {
        html! {
            nav aria-label="Pages" {
                ul {
                    li {
                        a href={ (up) "index.html" }
                            aria-current=[self.subject.is_none().then_some("page")] { "Runs" }
                    }
                    @if self.subject.is_some() {
                        @for (place, name) in Place::MAIN {
                            li {
                                a href=(place.file())
                                    aria-current=[(self.place == Some(place)).then_some("page")] {
                                    (name)
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
