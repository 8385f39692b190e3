//! The date of an identity line: seconds since 1970 and the offset that its writer's clock had, as written by git
//! (`<seconds> <±hhmm>`, `git help commit`, "DATE FORMATS").
//!
//! Owns the reading of the two numbers and RFC 3339 in the writer's own offset. Refuses: time zones, the current time, any
//! guess at a date that can't be read.

/// The date of an identity line, with the text that it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Date<'a> {
    /// What could be read; `None` where `git log --format=%at` shows nothing, or a number beyond 63 bits.
    pub moment: Option<Moment>,
    /// The text as written, without white space around it; empty if there is none.
    pub raw: &'a str,
}

impl Date<'_> {
    /// [`Moment::rfc3339`] of what could be read.
    #[must_use]
    pub fn rfc3339(&self) -> Option<String> {
        self.moment.and_then(Moment::rfc3339)
    }
}

/// A point in time and the offset of the clock that told it. Ordered by time first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// As written, hours × 100 + minutes, either sign; far from every clock at times (`+9999`).
    hhmm: i32,
}

/// Seconds a day.
const DAY: i64 = 86_400;
/// Days in 400 Gregorian years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
/// The largest offset whose minutes still count as an `i32`; git ignores larger ones.
const LARGEST_OFFSET: i32 = i32::MAX;

impl Moment {
    /// Reads `digits` (seconds, decimal) and `offset` (a sign and decimal digits: `+0200`). `None` if the seconds are not
    /// below 2⁶³; a huge offset saturates.
    #[must_use]
    pub fn parse(digits: &[u8], offset: &[u8]) -> Option<Self> {
        let seconds = decimal(digits)?;
        let (sign, offset) = offset.split_first()?;
        let size = decimal(offset).and_then(|size| i32::try_from(size).ok()).unwrap_or(LARGEST_OFFSET);
        Some(Self { seconds, hhmm: if *sign == b'-' { -size } else { size } })
    }

    /// The offset from UTC in minutes, east positive: `+0530` is 330. Computed as git does also where the minutes pass 59.
    #[must_use]
    pub const fn offset_minutes(self) -> i32 {
        self.hhmm / 100 * 60 + self.hhmm % 100
    }

    /// RFC 3339 in the writer's own offset, as `git log --format=%aI` has it: `2024-05-01T12:00:00+02:00`, with `Z` for
    /// an offset of zero. `None` where RFC 3339 can't say it: a year past 9999, an offset past 23 hours or 59 minutes.
    #[must_use]
    pub fn rfc3339(self) -> Option<String> {
        let offset = self.hhmm.unsigned_abs();
        let (offset_hours, offset_minutes) = (offset / 100, offset % 100);
        if offset_hours > 23 || offset_minutes > 59 {
            return None;
        }
        let local = self.seconds.checked_add(i64::from(self.offset_minutes()) * 60)?;
        let (year, month, day) = civil(local.div_euclid(DAY))?;
        let second = u32::try_from(local.rem_euclid(DAY)).ok()?;
        let mut text = String::with_capacity("2024-05-01T12:00:00+02:00".len());
        push_two(&mut text, year / 100);
        push_two(&mut text, year % 100);
        for (separator, number) in
            [('-', month), ('-', day), ('T', second / 3600), (':', second / 60 % 60), (':', second % 60)]
        {
            text.push(separator);
            push_two(&mut text, number);
        }
        if offset == 0 {
            text.push('Z');
        } else {
            text.push(if self.hhmm < 0 { '-' } else { '+' });
            push_two(&mut text, offset_hours);
            text.push(':');
            push_two(&mut text, offset_minutes);
        }
        Some(text)
    }
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01; `None` outside the years 0 to 9999.
///
/// Counts years from 1 March, so that the leap day comes last and months need no table: from March on, month `m` begins
/// `(153 m + 2) / 5` days into the year, as 31, 30, 31, 30, 31 repeats every five months. A year's number within its 400
/// year era follows from dividing the day by 365 after taking out the leap days passed: one in 1,460, none in 36,524.
fn civil(days: i64) -> Option<(u32, u32, u32)> {
    let days = days.checked_add(EPOCH_DAYS)?;
    let era = days.div_euclid(ERA_DAYS);
    let day_of_era = days.rem_euclid(ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (ERA_DAYS - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (0, month + 3) } else { (1, month - 9) };
    let year = u32::try_from(era * 400 + year_of_era + year).ok().filter(|year| *year <= 9999)?;
    Some((year, u32::try_from(month).ok()?, u32::try_from(day).ok()?))
}

/// A run of decimal digits, at least one, below 2⁶³.
fn decimal(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_i64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// Appends a number below 100 in two digits.
fn push_two(text: &mut String, number: u32) {
    for digit in [number / 10, number % 10] {
        text.push(char::from_digit(digit, 10).unwrap_or('?'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_dates_in_the_offset_they_were_written_in() {
        for (seconds, offset, minutes, expected) in [
            ("1714557600", "+0200", 120, Some("2024-05-01T12:00:00+02:00")),
            ("1714557600", "-0330", -210, Some("2024-05-01T06:30:00-03:30")),
            ("0", "+0000", 0, Some("1970-01-01T00:00:00Z")),
            ("0", "-0000", 0, Some("1970-01-01T00:00:00Z")),
            ("0", "-0100", -60, Some("1969-12-31T23:00:00-01:00")),
            ("86400", "-2359", -1439, Some("1970-01-01T00:01:00-23:59")),
            ("951782400", "+1", 1, Some("2000-02-29T00:01:00+00:01")),
            ("253402300799", "+0000", 0, Some("9999-12-31T23:59:59Z")),
            ("253402300799", "+0001", 1, None),
            ("253402300800", "-0001", -1, Some("9999-12-31T23:59:00-00:01")),
            ("9223372036854775807", "+0100", 60, None),
            ("0", "+0060", 60, None),
            ("0", "+2400", 1440, None),
            ("0", "+9999", 6039, None),
        ] {
            let moment = Moment::parse(seconds.as_bytes(), offset.as_bytes()).expect("a readable date");
            assert_eq!(moment.seconds.to_string(), seconds);
            assert_eq!(moment.offset_minutes(), minutes, "{seconds} {offset}");
            assert_eq!(moment.rfc3339().as_deref(), expected, "{seconds} {offset}");
        }
    }

    #[test]
    fn refuses_what_is_no_number_and_survives_huge_offsets() {
        for (seconds, offset) in [("", "+0000"), ("1x", "+0000"), ("9223372036854775808", "+0000"), ("1", "")] {
            assert_eq!(Moment::parse(seconds.as_bytes(), offset.as_bytes()), None, "{seconds} {offset}");
        }
        for offset in ["+2147483647", "-2147483648", "+99999999999999999999"] {
            let moment = Moment::parse(b"1", offset.as_bytes()).expect("readable seconds");
            assert_eq!(moment.rfc3339(), None, "{offset}");
        }
    }

    #[test]
    fn counts_every_day_of_ten_thousand_years() {
        let leap = |year: u32| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let mut days = -719_528;
        for year in 0..=9999 {
            let february = if leap(year) { 29 } else { 28 };
            for (month, length) in (1..).zip([31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]) {
                for day in 1..=length {
                    assert_eq!(civil(days), Some((year, month, day)));
                    days += 1;
                }
            }
        }
        assert_eq!(civil(days), None);
        assert_eq!(civil(-719_529), None);
    }
}
