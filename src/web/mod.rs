//! The face for a browser: pages of runs, served on this machine alone or written to files.
//!
//! | part | does |
//! |---|---|
//! | [`server`] | serves the pages until a signal |
//! | [`export`] | writes the pages to a folder |
//! | [`report_page`] | renders the report of a run as one file |
//! | `router` | answers each request |
//! | `site` | what requests share |
//! | `live` | the versions and logs that a page asks for again |
//! | `guard` | refuses requests of other sites, and adds the headers of every answer |
//! | `access` | the token of the address and the cookie of the browser |
//! | `reader` | reads each run once for all browsers |
//! | `source` | reads what a page shows beyond the state of a run |
//! | `place` | names the pages; the links are the same in a browser and on disk |
//! | `pages` | one file per page, from views to HTML |
//! | `actions` | the forms that change a run, where they are allowed |
//! | `asset` | the stylesheet, the script and the icon |
//!
//! Pages are pure functions of the views of `report`; they compute no status, conflict or duration.
//! All text goes through `text::shown` and is escaped by `maud`. A page loads nothing but the three
//! assets, has no inline style or script, and works without JavaScript.

mod access;
mod actions;
mod asset;
pub mod export;
mod failure;
mod guard;
mod live;
mod pages;
mod place;
mod reader;
pub mod report_page;
mod router;
pub mod server;
mod site;
mod source;
#[cfg(test)]
mod tests;
mod text;

pub use crate::web::failure::WebError;
