//! Parses the reset time of a limit from an agent's message.
//!
//! Known formats: `resets 7pm (America/Los_Angeles)`, `resets Oct 7, 1am`, `try again at Apr 28th,
//! 2026 10:03 PM.`, `try again in 3 days 4 hours`, `limit reached|1760000000`. A time of day
//! without a date is the next one; without a time zone it is in the zone of `now`.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

/// The longest plausible wait.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(24 * 40);

/// Returns the time at which the limit resets, if the text contains one.
pub fn reset_time(text: &str, now: &Zoned) -> Option<Timestamp> {
    let lower = text.to_lowercase();
    let after = |mark: &str| lower.split_once(mark).map(|(_, rest)| rest.trim());
    let found = after("try again in ")
        .or_else(|| after("retry in "))
        .or_else(|| after("resets in "))
        .and_then(|rest| now.timestamp().checked_add(wait(rest)?).ok())
        .or_else(|| at_time(after("try again at ")?, text, now))
        .or_else(|| at_time(after("resets at ").or_else(|| after("resets "))?, text, now))
        .or_else(|| unix_time(&lower));
    let latest = now.timestamp().checked_add(MAX_WAIT).ok()?;
    found.filter(|at| *at <= latest)
}

/// Parses `20s`, `1m30s`, `250ms`, `3 days 4 hours 5 minutes`.
fn wait(text: &str) -> Option<SignedDuration> {
    let mut total = None;
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.');
        let end = end.unwrap_or(rest.len());
        let Ok(number) = rest[..end].parse::<f64>() else {
            return total;
        };
        rest = rest[end..].trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let seconds = match &rest[..end] {
            "ms" => 0.001,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86400.0,
            _ => return total,
        };
        rest = &rest[end..];
        let part = SignedDuration::try_from_secs_f64(number * seconds).ok()?;
        total = Some(total.unwrap_or(SignedDuration::ZERO).checked_add(part)?);
        if rest.is_empty() {
            return total;
        }
    }
}

/// Parses `apr 28th, 2026 10:03 pm` or `7pm (…)`; `text` has the zone's name in its case.
fn at_time(rest: &str, text: &str, now: &Zoned) -> Option<Timestamp> {
    let zone = zone_in(text).unwrap_or_else(|| now.time_zone().clone());
    let now = now.with_time_zone(zone.clone());
    let words = rest.split('(').next()?.replace(',', " ");
    let words: Vec<&str> = words.split_whitespace().take(6).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| *word != "at").collect();
    let (date, words) = match date_in(&words, &now) {
        Some((date, used)) => (Some(date), &words[used..]),
        None => (None, words.as_slice()),
    };
    let time = time_in(words)?;
    let at = date.unwrap_or(now.date()).to_datetime(time);
    let at = at.to_zoned(zone).ok()?;
    let is_past = at <= now;
    let at = match date {
        None if is_past => at.checked_add(1.day()).ok()?,
        _ => at,
    };
    Some(at.timestamp())
}

/// Parses the time zone in brackets.
fn zone_in(text: &str) -> Option<TimeZone> {
    let inside = text.split('(').nth(1)?.split(')').next()?;
    TimeZone::get(inside.trim()).ok()
}

/// Parses `apr 28th 2026` or `oct 7`; returns the date and its number of words.
fn date_in(words: &[&str], now: &Zoned) -> Option<(Date, usize)> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let name = words.first()?.get(..3)?;
    let month = (1..).zip(MONTHS).find(|(_, month)| *month == name)?.0;
    let day = words.get(1)?;
    let day = day.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let day = day.parse().ok()?;
    let year = words.get(2).filter(|word| word.len() == 4);
    if let Some(year) = year.and_then(|year| year.parse().ok()) {
        return Some((Date::new(year, month, day).ok()?, 3));
    }
    let this_year = Date::new(now.year(), month, day).ok()?;
    match this_year < now.date() {
        true => Some((Date::new(now.year() + 1, month, day).ok()?, 2)),
        false => Some((this_year, 2)),
    }
}

/// Parses `7pm`, `10:03 pm`, `12:16`, `22:30.`
fn time_in(words: &[&str]) -> Option<Time> {
    let first = words.first()?.trim_end_matches('.');
    let clock = first.trim_end_matches(['a', 'p', 'm', '.']);
    let half = match (&first[clock.len()..], words.get(1)) {
        ("", Some(next)) => next.trim_end_matches('.'),
        (half, _) => half,
    };
    let (hour, minute) = clock.split_once(':').unwrap_or((clock, "0"));
    let (hour, minute): (i8, i8) = (hour.parse().ok()?, minute.parse().ok()?);
    let hour = match (half, hour) {
        ("am", 12) => 0,
        ("am" | "pm", 13..) => return None,
        ("pm", 1..=11) => hour + 12,
        // A bare number is not a time of day.
        ("am" | "pm", _) => hour,
        _ if clock.contains(':') => hour,
        _ => return None,
    };
    Time::new(hour, minute, 0, 0).ok()
}

/// Parses `…limit reached|1760000000`.
fn unix_time(text: &str) -> Option<Timestamp> {
    let (_, rest) = text.split_once("limit reached|")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Timestamp::from_second(digits.parse().ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        let now: Timestamp = "2026-11-22T09:14:00Z".parse().unwrap();
        let now = now.to_zoned(TimeZone::get("Europe/Berlin").unwrap());
        match reset_time(text, &now) {
            Some(at) => at.to_string(),
            None => "nothing".to_owned(),
        }
    }

    #[test]
    fn every_known_format_is_parsed() {
        let texts = [
            "You've hit your limit · resets 7pm (America/Los_Angeles)",
            "You've hit your session limit · resets 3:45pm",
            "You've hit your weekly limit · resets Nov 25, 1am (Europe/Berlin)",
            "You've hit your weekly limit · resets Dec 31 at 12am (UTC)",
            "Visit … to purchase more credits or try again at Nov 28th, 2026 10:03 PM.",
            "You've hit your usage limit. Try again at 12:16 PM.",
            "Try again at 9:05 AM.",
            "try again in 3 days 4 hours 5 minutes.",
            "Limit 3, Used 3, Requested 1. Please try again in 20s.",
            "Please try again in 6m0s. Visit x",
            "Claude AI usage limit reached|1795345200",
        ];
        insta::assert_snapshot!(texts.map(found).join("\n"), @r"
        2026-11-23T03:00:00Z
        2026-11-22T14:45:00Z
        2026-11-25T00:00:00Z
        2026-12-31T00:00:00Z
        2026-11-28T21:03:00Z
        2026-11-22T11:16:00Z
        2026-11-23T08:05:00Z
        2026-11-25T13:19:00Z
        2026-11-22T09:14:20Z
        2026-11-22T09:20:00Z
        2026-11-22T11:00:00Z
        ");
    }

    #[test]
    fn a_text_without_a_time_gives_none() {
        let texts = [
            "Please try again later.",
            "try again in a moment",
            "try again at your own risk",
            "resets soon",
            "resets 7",
            "resets 13pm",
            "try again at 25:61",
            "try again in 99999999999999999999 days",
            "try again at Nov 31st, 2026 10:03 PM",
            "limit reached|1760000000000000000000",
            "try again at Apr 28th, 2093 10:03 PM",
            "",
        ];
        assert!(texts.into_iter().all(|text| found(text) == "nothing"));
    }
}
