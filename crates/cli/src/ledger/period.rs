//! The period of an export.

use clap::Args;
use mdss_relay_ledger::Moment;

/// The pieces of a period. All of it without any.
#[derive(Args)]
pub(super) struct Period {
    /// A month in UTC, such as 2026-10.
    #[arg(long, value_name = "YYYY-MM", conflicts_with_all = ["from", "until"])]
    month: Option<String>,
    /// From this moment on: RFC 3339, such as 2026-10-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Moment>,
    /// Before this moment.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Moment>,
}

impl Period {
    /// From when, and until when.
    ///
    /// # Errors
    /// If the month is none.
    pub(super) fn moments(&self) -> Result<(Option<Moment>, Option<Moment>), String> {
        let Some(month) = &self.month else { return Ok((self.from, self.until)) };
        let wrong = || format!("--month: found {month:?}, expected a month such as 2026-10");
        let first = |text: &str| Moment::read(&format!("{text}-01T00:00:00Z"));
        let (year, number) = month.split_once('-').ok_or_else(wrong)?;
        let (year, number): (i32, u32) =
            (year.parse().map_err(|_| wrong())?, number.parse().map_err(|_| wrong())?);
        let next = if number == 12 { (year + 1, 1) } else { (year, number + 1) };
        let from = first(month).ok_or_else(wrong)?;
        let until = first(&format!("{:04}-{:02}", next.0, next.1)).ok_or_else(wrong)?;
        Ok((Some(from), Some(until)))
    }
}

fn moment(text: &str) -> Result<Moment, String> {
    Moment::read(text).ok_or_else(|| "expected RFC 3339, such as 2026-10-01T00:00:00Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_one_begins() {
        let of = |month: &str| {
            Period { month: Some(month.into()), from: None, until: None }
                .moments()
                .map(|(from, until)| (from.unwrap().to_string(), until.unwrap().to_string()))
        };
        let want = ("2026-12-01T00:00:00.000Z".into(), "2027-01-01T00:00:00.000Z".into());
        assert_eq!(of("2026-12"), Ok(want));
        for wrong in ["2026", "2026-13", "2026-1", "-1", "+2026-10", "2026-10-01", "x-y"] {
            assert!(of(wrong).unwrap_err().contains("such as 2026-10"), "{wrong}");
        }
    }
}
