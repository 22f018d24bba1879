//! Requests to a site of a repository without runs: which are accepted, and with which headers.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use tower::ServiceExt as _;

use crate::base::clock::Clock;
use crate::git::{Git, Repo};
use crate::web::access::Access;
use crate::web::router::router;
use crate::web::site::Site;

const HOST: (&str, &str) = ("host", "127.0.0.1:4321");

struct Scene {
    _folder: tempfile::TempDir,
    site: Arc<Site>,
}

impl Scene {
    fn new() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        Git::at(folder.path()).run(&["init", "--quiet"]).unwrap();
        let repo = Repo::discover(folder.path()).unwrap();
        let access = Access::draw(4321).unwrap();
        let site = Site::new((repo, Clock::from_env()), None, false, access);
        Scene {
            _folder: folder,
            site: Arc::new(site),
        }
    }

    async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        router(Arc::clone(&self.site))
            .oneshot(request)
            .await
            .unwrap()
    }

    async fn status(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> StatusCode {
        self.send(method, path, headers).await.status()
    }

    /// Opens the address, and returns the cookie.
    async fn cookie(&self) -> String {
        let address = self.site.address();
        let path = address.strip_prefix("http://127.0.0.1:4321").unwrap();
        let answer = self.send(Method::GET, path, &[HOST]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        assert!(
            cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/"),
            "{cookie}"
        );
        cookie.split(';').next().unwrap().to_owned()
    }
}

async fn text(answer: Response<Body>) -> String {
    let bytes = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn only_a_browser_that_opened_the_address_sees_a_page() {
    let scene = Scene::new();
    let get = |path: &'static str, headers: Vec<(&'static str, String)>| {
        let scene = &scene;
        async move {
            let headers: Vec<(&str, &str)> = headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            scene
                .status(Method::GET, path, &[&[HOST], &headers[..]].concat())
                .await
        }
    };
    let cookie = scene.cookie().await;
    assert_eq!(get("/index.html", vec![]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(get("/?token=0", vec![]).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        get("/shop-7k3q/events", vec![]).await,
        StatusCode::UNAUTHORIZED
    );
    let wrong = vec![("cookie", "dispatch-4321=0".to_owned())];
    assert_eq!(get("/index.html", wrong).await, StatusCode::UNAUTHORIZED);
    let right = vec![("cookie", cookie)];
    assert_eq!(get("/index.html", right.clone()).await, StatusCode::OK);
    assert_eq!(get("/", right.clone()).await, StatusCode::SEE_OTHER);
    assert_eq!(
        get("/shop-7k3q/board.html", right.clone()).await,
        StatusCode::NOT_FOUND
    );
    assert_eq!(get("/shop-7k3q", right).await, StatusCode::NOT_FOUND);
    // The assets are those of the program, and tell nothing.
    assert_eq!(get("/page.css", vec![]).await, StatusCode::OK);
}

#[tokio::test]
async fn requests_for_another_host_are_refused_also_with_the_cookie() {
    let scene = Scene::new();
    let cookie = scene.cookie().await;
    for host in [
        "evil.example:4321",
        "127.0.0.1",
        "127.0.0.1:80",
        "evil.example",
    ] {
        for path in ["/index.html", "/page.css", "/?token=0"] {
            let headers = [("host", host), ("cookie", &cookie)];
            let status = scene.status(Method::GET, path, &headers).await;
            assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{host} {path}");
        }
    }
    let headers = [("cookie", cookie.as_str())];
    let status = scene.status(Method::GET, "/index.html", &headers).await;
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    let headers = [HOST, ("cookie", &cookie)];
    let status = scene
        .status(Method::GET, "http://evil.example/index.html", &headers)
        .await;
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn requests_of_other_sites_are_refused_also_with_the_cookie() {
    let scene = Scene::new();
    let cookie = scene.cookie().await;
    let own = ("origin", "http://127.0.0.1:4321");
    let status = |method: Method, more: Vec<(&'static str, &'static str)>| {
        let (scene, cookie) = (&scene, &cookie);
        async move {
            let headers = [&[HOST, ("cookie", cookie.as_str())], &more[..]].concat();
            scene.status(method, "/index.html", &headers).await
        }
    };
    for origin in [
        "http://evil.example",
        "null",
        "http://127.0.0.1:4322",
        "http://localhost:4321",
        "https://127.0.0.1:4321",
    ] {
        let origin = [("origin", origin)];
        assert_eq!(
            status(Method::POST, origin.to_vec()).await,
            StatusCode::FORBIDDEN
        );
        assert_eq!(
            status(Method::GET, origin.to_vec()).await,
            StatusCode::FORBIDDEN
        );
    }
    assert_eq!(status(Method::POST, vec![]).await, StatusCode::FORBIDDEN);
    let cross = ("sec-fetch-site", "cross-site");
    assert_eq!(
        status(Method::POST, vec![own, cross]).await,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        status(Method::GET, vec![cross]).await,
        StatusCode::FORBIDDEN
    );
    let same_site = ("sec-fetch-site", "same-site");
    assert_eq!(
        status(Method::GET, vec![same_site]).await,
        StatusCode::FORBIDDEN
    );
    // A click on a link elsewhere may open a page; the browser sends no strict cookie with it.
    let click = vec![cross, ("sec-fetch-mode", "navigate")];
    assert_eq!(status(Method::GET, click).await, StatusCode::OK);
    // No page takes anything but a look.
    assert_eq!(
        status(Method::POST, vec![own]).await,
        StatusCode::METHOD_NOT_ALLOWED
    );
}

#[tokio::test]
async fn paths_that_no_page_has_are_refused() {
    let scene = Scene::new();
    let cookie = scene.cookie().await;
    for path in [
        "/../../etc/passwd",
        "/x/../index.html",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/x/%00.html",
        "//evil.example/board.html",
        "/x//board.html",
        "/.git/config",
        "/x/.git",
        "/x\\..\\y",
        "/x/board.html%0d%0aSet-Cookie:a=b",
        "/x/board.html;a",
        "/~root/board.html",
    ] {
        let headers = [HOST, ("cookie", cookie.as_str())];
        let request = Request::builder()
            .uri(path)
            .header(HOST.0, HOST.1)
            .body(Body::empty());
        if request.is_err() {
            // The server refuses it before any code of ours.
            continue;
        }
        let status = scene.status(Method::GET, path, &headers).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
    }
    for path in [
        "/x/board.htm",
        "/x/y/board.html",
        "/index.html/",
        "/x/task-1.html",
        "/favicon.ico",
    ] {
        let headers = [HOST, ("cookie", cookie.as_str())];
        let status = scene.status(Method::GET, path, &headers).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_it_here() {
    let scene = Scene::new();
    let cookie = scene.cookie().await;
    let cookie = [HOST, ("cookie", cookie.as_str())];
    for (path, headers) in [
        ("/index.html", &cookie[..]),
        ("/page.js", &[HOST]),
        ("/nothing", &cookie),
        ("/", &[]),
        ("/%", &cookie),
    ] {
        let answer = scene.send(Method::GET, path, headers).await;
        let value = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert!(
            value("content-security-policy").starts_with("default-src 'none'"),
            "{path}"
        );
        assert_eq!(value("cache-control"), "no-store", "{path}");
        assert_eq!(value("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(value("x-frame-options"), "DENY", "{path}");
        assert_eq!(value("referrer-policy"), "same-origin", "{path}");
        assert_eq!(
            value("cross-origin-resource-policy"),
            "same-origin",
            "{path}"
        );
    }
    let page = text(scene.send(Method::GET, "/index.html", &cookie).await).await;
    assert!(page.contains("There is no run in this repository yet"));
}
