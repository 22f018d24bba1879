//! Refuses requests that do not come from a page of this server or from the user's own address, and
//! adds the headers of every answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, HeaderName, HeaderValue,
    ORIGIN, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::web::access::Access;
use crate::web::asset;
use crate::web::pages::notice;

/// The headers of every answer: nothing from elsewhere is loaded, no other site frames or reads a page,
/// and no copy of it is kept.
const HEADERS: [(HeaderName, &str); 7] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    // A form without an origin could not be told from one of another site.
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Answers a request, or refuses it before any page is made.
pub(super) async fn guard(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match check(&access, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(&access),
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The reasons to refuse a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refusal {
    /// The request was meant for another host: DNS rebinding.
    Host,
    /// A page of another site made the request.
    Origin,
    /// The path is not one that a page links to.
    Path,
    /// Neither the token nor the cookie.
    Stranger,
    /// The token was right: the browser gets its cookie.
    Admitted,
}

fn check(access: &Access, request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    let uri = request.uri();
    let host = header(headers, &HOST).unwrap_or_default();
    let authority = uri.authority().map_or(host, |named| named.as_str());
    if !access.is_own_host(host) || !access.is_own_host(authority) {
        return Err(Refusal::Host);
    }
    if !is_of_this_site(access, request) {
        return Err(Refusal::Origin);
    }
    let path = uri.path();
    if !is_plain(path) {
        return Err(Refusal::Path);
    }
    if asset::ALL
        .iter()
        .any(|asset| path.strip_prefix('/') == Some(asset.name))
    {
        return Ok(());
    }
    let is_get = request.method() == Method::GET;
    if is_get && path == "/" && uri.query().is_some_and(|query| access.fits_query(query)) {
        return Err(Refusal::Admitted);
    }
    let cookies = headers.get_all(COOKIE).iter();
    let mut cookies = cookies.filter_map(|cookie| cookie.to_str().ok());
    match cookies.any(|cookie| access.fits_cookies(cookie)) {
        true => Ok(()),
        false => Err(Refusal::Stranger),
    }
}

/// Returns `true` if no other site made the request: what changes something names its origin, and
/// nothing but a click on a link comes from elsewhere.
fn is_of_this_site(access: &Access, request: &Request) -> bool {
    let headers = request.headers();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let fits = match header(headers, &ORIGIN) {
        Some(origin) => {
            let host = header(headers, &HOST).unwrap_or_default();
            access.is_own_origin(origin, host)
        }
        None => is_read,
    };
    let site = header(headers, &HeaderName::from_static("sec-fetch-site"));
    let mode = header(headers, &HeaderName::from_static("sec-fetch-mode"));
    let is_own = matches!(site, None | Some("same-origin" | "none"));
    fits && (is_own || (is_read && mode == Some("navigate")))
}

/// Returns `true` for a path of letters, digits, dots, dashes and single slashes that stays below its
/// start. No page has another one.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    path.chars().all(plain) && !path.contains("..") && !path.contains("//") && !path.contains("/.")
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    // A value that is not text fits nothing.
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or("\0"))
}

impl Refusal {
    fn into_response(self, access: &Access) -> Response {
        let (status, message, next) = match self {
            Refusal::Host => (
                StatusCode::MISDIRECTED_REQUEST,
                "This server answers only at its own address.",
                "Open the address that `dispatch web` printed.",
            ),
            Refusal::Origin => (
                StatusCode::FORBIDDEN,
                "The request came from another site.",
                "Nothing was done.",
            ),
            Refusal::Path => (StatusCode::BAD_REQUEST, "There is no such page.", ""),
            Refusal::Stranger => (
                StatusCode::UNAUTHORIZED,
                "This browser has not opened the address of this server.",
                "Open the whole address that `dispatch web` printed, with its token.",
            ),
            Refusal::Admitted => return admitted(access),
        };
        let page = notice::render("Not shown", message, next, None);
        let html = [(CONTENT_TYPE, "text/html; charset=utf-8")];
        (status, html, page).into_response()
    }
}

/// Gives the browser its cookie and leads on to the start page. A redirect would not do: browsers send
/// no strict cookie along a redirect that began on another site, such as a terminal in a browser.
fn admitted(access: &Access) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (SET_COOKIE, access.set_cookie()),
    ];
    (headers, notice::welcome()).into_response()
}
