//! Parses plans in TOML.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue, Error};

use crate::plan::collector::{Collector, RawDiagnostic};
use crate::plan::diagnostic::Code;
use crate::plan::draft::{Draft, Member, Value, from_document};
use crate::plan::span::At;

/// Parses the text; `None` for invalid TOML.
pub(super) fn parse(text: &str, findings: &mut Collector) -> Option<Draft> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(from_document(members(document.into_inner()), findings));
    }
    for error in &errors {
        findings.add(syntax_error(text, error));
    }
    None
}

fn syntax_error(text: &str, error: &Error) -> RawDiagnostic {
    let span = error.span().unwrap_or(text.len()..text.len());
    let message = format!("invalid TOML: {}", error.message().replace('\n', ", "));
    RawDiagnostic::error(Code::Syntax, span, message)
}

/// Returns the keys in the order of the text (the table sorts them).
fn members(table: DeTable<'_>) -> Vec<Member> {
    let member = |(key, value): (Spanned<std::borrow::Cow<'_, str>>, Spanned<DeValue<'_>>)| {
        let span = key.span();
        let key = At::new(key.into_inner().into_owned(), span);
        let value = read(value);
        Member { key, value }
    };
    let mut members: Vec<Member> = table.into_iter().map(member).collect();
    members.sort_by_key(|member| member.key.span.start);
    members
}

/// Converts a value; the parser refuses deep nesting, so recursion is safe.
fn read(value: Spanned<DeValue<'_>>) -> At<Value> {
    let span = value.span();
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Boolean(boolean) => Value::Boolean(boolean),
        DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
            Ok(integer) => Value::Integer(integer),
            Err(_) => Value::Other("a number that large"),
        },
        DeValue::Array(array) => Value::List(array.into_iter().map(read).collect()),
        DeValue::Table(table) => Value::Table(members(table)),
        DeValue::Float(number) => Value::Decimal(number.as_str().to_owned()),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    At::new(value, span)
}
