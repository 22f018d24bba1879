//! Reads the elements of a page back.

/// The elements that pages are made of.
const ELEMENTS: &[&str] = &[
    "!DOCTYPE",
    "a",
    "blockquote",
    "body",
    "br",
    "caption",
    "code",
    "dd",
    "del",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "head",
    "header",
    "hr",
    "html",
    "ins",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "ol",
    "p",
    "pre",
    "progress",
    "rect",
    "section",
    "span",
    "strong",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "ul",
    "input",
    "label",
];

/// The attributes that they have.
const ATTRIBUTES: &[&str] = &[
    "aria-current",
    "aria-hidden",
    "aria-label",
    "aria-labelledby",
    "autocomplete",
    "class",
    "charset",
    "content",
    "data-filter",
    "data-rows",
    "datetime",
    "focusable",
    "for",
    "height",
    "hidden",
    "href",
    "id",
    "lang",
    "max",
    "name",
    "open",
    "preserveAspectRatio",
    "rel",
    "reversed",
    "role",
    "scope",
    "tabindex",
    "title",
    "type",
    "value",
    "viewBox",
    "width",
    "x",
];

/// Returns the elements of a page: the name and the text of each opening tag.
fn elements(page: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, _) = part.split_once('>').expect("every tag ends");
        if !tag.starts_with('/') {
            let name = tag.split([' ', '\n']).next().unwrap();
            found.push((name, tag[name.len()..].trim()));
        }
    }
    found
}

/// Returns the names and the values of attributes.
fn attributes(text: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let name = rest[..end].to_owned();
        rest = &rest[end..];
        let mut value = "";
        if let Some(quoted) = rest.strip_prefix("=\"") {
            let (inside, after) = quoted.split_once('"').expect("every value ends");
            (value, rest) = (inside, after);
        }
        found.push((name, value.to_owned()));
        rest = rest.trim_start();
    }
    found
}

/// Returns the targets of all links of a page.
pub(super) fn targets(page: &str) -> Vec<String> {
    let links = elements(page).into_iter();
    let attributes = links.flat_map(|(_, text)| attributes(text));
    let targets = attributes.filter(|(name, _)| name == "href");
    targets.map(|(_, target)| target).collect()
}

/// Checks that a page has only the elements, attributes and links of dispatch itself, and no hidden
/// character.
#[track_caller]
pub(crate) fn assert_plain(page: &str, name: &str) {
    for (element, text) in elements(page) {
        if element == "!DOCTYPE" {
            continue;
        }
        assert!(ELEMENTS.contains(&element), "{name}: <{element} {text}>");
        for (attribute, value) in attributes(text) {
            assert!(
                ATTRIBUTES.contains(&attribute.as_str()),
                "{name}: {attribute}={value:?}"
            );
            let leads_away = value.contains(':') || value.starts_with("//");
            assert!(attribute != "href" || !leads_away, "{name}: {value}");
        }
    }
    let hidden = git_dispatch::base::safe::hidden::find_hidden(page);
    assert!(hidden.is_none(), "{name}: {hidden:?}");
}
