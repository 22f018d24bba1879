//! The files that every page loads, compiled in.

/// A file beside the pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    /// Its name.
    pub(super) name: &'static str,
    /// Its media type.
    pub(super) kind: &'static str,
    /// Its content.
    pub(super) text: &'static str,
}

/// The stylesheet.
pub(super) const STYLE: Asset = Asset {
    name: "page.css",
    kind: "text/css; charset=utf-8",
    text: include_str!("assets/page.css"),
};

/// The script, which updates pages while a run is live. Exported pages do not load it.
pub(super) const SCRIPT: Asset = Asset {
    name: "page.js",
    kind: "text/javascript; charset=utf-8",
    text: include_str!("assets/page.js"),
};

/// The icon.
pub(super) const ICON: Asset = Asset {
    name: "icon.svg",
    kind: "image/svg+xml",
    text: include_str!("assets/icon.svg"),
};

/// Every asset.
pub(super) const ALL: [Asset; 3] = [STYLE, SCRIPT, ICON];
