//! Names the pages of a run. Links between pages are relative, so that they work in a browser and in
//! a folder on disk alike.

use crate::model::ids::TaskNumber;

/// A page of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// The board.
    Board,
    /// The timeline.
    Timeline,
    /// The matrix of all pairs.
    Matrix,
    /// One pair.
    Pair(TaskNumber, TaskNumber),
    /// One task.
    Task(TaskNumber),
    /// The reports.
    Report,
    /// The events.
    History,
}

impl Place {
    /// The pages of the navigation, each with its name.
    pub(super) const MAIN: [(Place, &'static str); 5] = [
        (Place::Board, "Board"),
        (Place::Timeline, "Timeline"),
        (Place::Matrix, "Conflicts"),
        (Place::Report, "Report"),
        (Place::History, "History"),
    ];

    /// Returns the name of the file.
    pub(super) fn file(self) -> String {
        match self {
            Place::Board => "board.html".to_owned(),
            Place::Timeline => "timeline.html".to_owned(),
            Place::Matrix => "conflicts.html".to_owned(),
            Place::Pair(a, b) => format!("pair-{}-{}.html", a.0, b.0),
            Place::Task(task) => format!("task-{}.html", task.0),
            Place::Report => "report.html".to_owned(),
            Place::History => "history.html".to_owned(),
        }
    }

    /// Parses the name of a file, in exactly the form that [`Place::file`] writes.
    pub(super) fn parse(file: &str) -> Option<Place> {
        let name = file.strip_suffix(".html")?;
        let number = |text: &str| text.parse().ok().map(TaskNumber);
        let place = match name.split('-').collect::<Vec<_>>().as_slice() {
            ["board"] => Place::Board,
            ["timeline"] => Place::Timeline,
            ["conflicts"] => Place::Matrix,
            ["report"] => Place::Report,
            ["history"] => Place::History,
            ["task", task] => Place::Task(number(task)?),
            ["pair", a, b] => Place::Pair(number(a)?, number(b)?),
            _ => return None,
        };
        (place.file() == file).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_page_and_no_other_name_does() {
        let (a, b) = (TaskNumber(1), TaskNumber(12));
        let others = [Place::Pair(a, b), Place::Task(b)];
        for place in Place::MAIN
            .map(|(place, _)| place)
            .into_iter()
            .chain(others)
        {
            assert_eq!(Place::parse(&place.file()), Some(place));
        }
        for file in [
            "",
            ".html",
            "board",
            "board.htm",
            "Board.html",
            "task-.html",
            "task-+1.html",
            "task-01.html",
            "task--1.html",
            "task-1-2.html",
            "pair-1.html",
            "../board.html",
            "task-99999999999.html",
            "board.html.html",
            "board.html/",
        ] {
            assert_eq!(Place::parse(file), None, "{file}");
        }
    }
}
