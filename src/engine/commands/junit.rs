//! Reads the results of single tests from JUnit XML.
//!
//! There is no common schema: suites nest or stand alone, names repeat, attributes are missing. All
//! writers share `testcase` with `failure` or `error` inside, and only that is read.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

/// The result of a test.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TestResult {
    /// It passed.
    Passed,
    /// It was not run.
    Skipped,
    /// It failed, or stopped with an error.
    Failed,
}

/// Parses the tests by name: `class.name`, or the name alone. A repeated name has its worst result.
/// Returns `None` for a text that is not XML or names no test.
pub fn parse_junit(text: &str) -> Option<BTreeMap<String, TestResult>> {
    let mut reader = Reader::from_str(text);
    let mut tests = BTreeMap::new();
    let mut current: Option<(String, TestResult)> = None;
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => match start.local_name().as_ref() {
                "testcase" => current = Some((test_name(&start), TestResult::Passed)),
                _ => mark(&mut current, &start),
            },
            Event::Empty(start) => match start.local_name().as_ref() {
                "testcase" => note(&mut tests, (test_name(&start), TestResult::Passed)),
                _ => mark(&mut current, &start),
            },
            Event::End(end) if end.local_name().as_ref() == "testcase" => {
                current
                    .take()
                    .into_iter()
                    .for_each(|test| note(&mut tests, test));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    (!tests.is_empty()).then_some(tests)
}

/// Marks the current test as failed by `failure` and `error`; `rerunFailure` and `flakyFailure` belong
/// to a test that passed later.
fn mark(current: &mut Option<(String, TestResult)>, start: &BytesStart<'_>) {
    let Some((_, result)) = current else { return };
    let found = match start.local_name().as_ref() {
        "failure" | "error" => TestResult::Failed,
        "skipped" => TestResult::Skipped,
        _ => return,
    };
    *result = found.max(*result);
}

fn note(tests: &mut BTreeMap<String, TestResult>, (name, result): (String, TestResult)) {
    let worst = tests.entry(name).or_insert(result);
    *worst = result.max(*worst);
}

fn test_name(start: &BytesStart<'_>) -> String {
    let attribute = |name: &str| {
        let found = start.try_get_attribute(name).ok().flatten()?;
        let value = found.normalized_value(XmlVersion::Explicit1_0).ok()?;
        (!value.is_empty()).then(|| value.into_owned())
    };
    let name = attribute("name").unwrap_or_default();
    match attribute("classname") {
        Some(class) => format!("{class}.{name}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str) -> String {
        let Some(tests) = parse_junit(text) else {
            return "nothing".to_owned();
        };
        let lines = tests
            .iter()
            .map(|(name, result)| format!("{name}: {result:?}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_test_case_has_its_worst_result() {
        insta::assert_snapshot!(show(
            r#"<?xml version="1.0" encoding="UTF-8"?>
            <testsuites><testsuite name="s"><testsuite name="nested">
              <testcase classname="cart" name="adds &lt;one&gt;" time="0.1"/>
              <testcase classname="cart" name="pays"><failure message="no">at <![CDATA[<x>]]></failure></testcase>
              <testcase classname="cart" name="breaks"><error type="E"/></testcase>
              <testcase classname="cart" name="waits"><skipped/></testcase>
              <testcase name="same"></testcase><testcase name="same"><failure/></testcase>
              <testcase name="again"><flakyFailure message="first time"/><system-out>failure</system-out></testcase>
            </testsuite></testsuite></testsuites>"#
        ), @r"
        again: Passed
        cart.adds <one>: Passed
        cart.breaks: Failed
        cart.pays: Failed
        cart.waits: Skipped
        same: Failed
        ");
    }

    #[test]
    fn a_text_without_tests_has_no_result() {
        assert_eq!(show(""), "nothing");
        assert_eq!(show("FAIL cart"), "nothing");
        assert_eq!(show("<testsuites/>"), "nothing");
        assert_eq!(show("<testcase name='a'><failure></testcase>"), "nothing");
    }
}
