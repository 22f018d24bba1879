//! One pair of tasks: ours, base and theirs in three columns, with the command that proves it.

use maud::{Markup, html};

use crate::base::text::plural;
use crate::base::text_diff::{DiffLine, Mark};
use crate::merge::oid::Oid;
use crate::model::ids::TaskNumber;
use crate::report::pair::{
    FileComparison, HunkVersion, PairFile, PairHunk, PairSide, PairView, ThreeWay, range_words,
    severity_words,
};
use crate::web::pages::frame::Frame;
use crate::web::pages::part::{block, hash, pieces, scrolling, task_links};
use crate::web::text::shown;

/// The most lines of one version of a hunk.
const LINES: usize = 400;

/// Renders a pair of tasks.
pub(in crate::web) fn render(frame: &Frame<'_>, view: &PairView, tasks: [TaskNumber; 2]) -> String {
    let [ours, theirs] = &view.sides;
    let content = html! {
        h1 { (ours.label) " × " (theirs.label) }
        p.standing { strong { (view.verdict_words()) } }
        @if let Some(why) = view.verdict.as_ref().and_then(|pair| pair.counts_though_merged()) {
            p { "It counts as a conflict: " (why) }
        }
        @if !view.suggested.is_empty() { p { "Suggested: " (view.suggested) "." } }
        @if let Some(policy) = view.policy() { p { "Policy: " (policy) "." } }
        p { "Tasks: " (task_links(&tasks)) }
        (sides(view))
        @for file in &view.files { (file_section(file, &view.sides)) }
        @if !view.messages.is_empty() {
            h2 { "Messages of git" }
            (block("Messages of git", &view.messages.join("\n")))
        }
        h2 { "Reproduce" }
        p { "This command shows the same with git alone, in a shell in the repository:" }
        (block("Command that reproduces the verdict", &view.command))
    };
    frame.render(&content)
}

/// Renders a pair of tasks of which one has no result.
pub(in crate::web) fn render_missing(frame: &Frame<'_>, tasks: [TaskNumber; 2]) -> String {
    let [a, b] = tasks;
    let content = html! {
        h1 { (a.to_string()) " × " (b.to_string()) }
        p { "One of the two tasks has no result that could be compared: " (task_links(&tasks)) "." }
    };
    frame.render(&content)
}

fn sides(view: &PairView) -> Markup {
    let merged = view.verdict.as_ref().and_then(|pair| pair.tree);
    let row = |name: &str, branch: &str, commit: Option<Oid>, tree: Option<Oid>| {
        html! {
            tr {
                th scope="row" { (name) }
                td.path { (shown(branch)) }
                td { @if let Some(commit) = commit { (hash(commit)) } }
                td { @if let Some(tree) = tree { (hash(tree)) } }
            }
        }
    };
    let side =
        |name: &str, side: &PairSide| row(name, &side.branch, Some(side.commit), Some(side.tree));
    scrolling(
        "Commits that are compared",
        &html! {
            table {
                caption { "Commits that are compared" }
                thead {
                    tr {
                        th scope="col" { "Side" }
                        th scope="col" { "Branch" }
                        th scope="col" { "Commit" }
                        th scope="col" { "Tree" }
                    }
                }
                tbody {
                    (side("ours", &view.sides[0]))
                    @for (commit, tree) in &view.bases {
                        (row("base", "", Some(*commit), Some(*tree)))
                    }
                    @if view.bases.is_empty() { (row("base", "none: unrelated histories", None, None)) }
                    (side("theirs", &view.sides[1]))
                    @if let Some(tree) = merged { (row("merged", "", None, Some(tree))) }
                }
            }
        },
    )
}

fn file_section(file: &PairFile, sides: &[PairSide; 2]) -> Markup {
    let path = file.path.to_string();
    html! {
        section {
            h2.path { (shown(&path)) @if let Some(class) = file.class { " " span.tag { (class.name()) } } }
            @match &file.comparison {
                FileComparison::Hunks(hunks) => (hunk_list(hunks, sides)),
                FileComparison::Pointers(targets) => {
                    (values("Target", &targets.map(|target| target.as_deref().map_or("nothing".to_owned(), shown)), sides))
                },
                FileComparison::Binary(sizes) => {
                    (values("Binary content", &sizes.map(|size| size.map_or("no such file".to_owned(), |size| plural(size, "byte"))), sides))
                },
                FileComparison::Added { by } => p {
                    (sides[*by].label) " adds it; " (sides[1 - by].label)
                    " has something else at this path."
                },
                FileComparison::Deleted { by, changes } => {
                    p {
                        (sides[*by].label) " deletes it; "
                        @if changes.is_empty() { (sides[1 - by].label) " changes nothing in its content." }
                        @else { "the changes of " (sides[1 - by].label) ":" }
                    }
                    @if !changes.is_empty() { (line_list(changes, &path)) }
                },
                FileComparison::Gone => p { "Only the base has this path." },
            }
        }
    }
}

fn hunk_list(hunks: &[PairHunk], sides: &[PairSide; 2]) -> Markup {
    html! {
        @if hunks.is_empty() { p { "The lines merge; modes or names conflict." } }
        @for (place, hunk) in (1..).zip(hunks) {
            h3 {
                "Hunk " (place) " of " (hunks.len()) ": " (hunk.class.name()) ", severity "
                (severity_words(hunk.class.severity()))
            }
            div.three {
                (version("ours", &sides[0].label, &hunk.versions.ours))
                (version("base", "", &hunk.versions.base))
                (version("theirs", &sides[1].label, &hunk.versions.theirs))
            }
        }
    }
}

fn version(name: &str, label: &str, version: &HunkVersion) -> Markup {
    let range = range_words(version.range);
    let more = version.lines.len().saturating_sub(LINES);
    html! {
        div.version {
            h4 { (name) @if !label.is_empty() { " " (label) } ", " (range) }
            pre role="group" aria-label={ (name) ", " (range) } tabindex="0" {
                @for line in version.lines.iter().take(LINES) { (pieces(line)) "\n" }
                @if version.lines.is_empty() { "(no line)" }
                @if more > 0 { "… " (plural(more, "more line")) }
            }
        }
    }
}

fn values(caption: &str, values: &ThreeWay<String>, sides: &[PairSide; 2]) -> Markup {
    html! {
        table {
            caption { (caption) }
            tbody {
                tr { th scope="row" { "ours " (sides[0].label) } td { (values.ours) } }
                tr { th scope="row" { "base" } td { (values.base) } }
                tr { th scope="row" { "theirs " (sides[1].label) } td { (values.theirs) } }
            }
        }
    }
}

fn line_list(lines: &[DiffLine], path: &str) -> Markup {
    html! {
        pre role="group" aria-label={ "Changes of " (shown(path)) } tabindex="0" {
            @for line in lines.iter().take(LINES) {
                @match line {
                    DiffLine::Gap => "…\n",
                    DiffLine::Line(piece) => {
                        (match piece.mark { Mark::Same => "  ", Mark::Removed => "- ", Mark::Added => "+ " })
                        (pieces(std::slice::from_ref(piece))) "\n"
                    },
                }
            }
        }
    }
}
