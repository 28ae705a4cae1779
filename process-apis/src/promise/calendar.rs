//! A site's calendar: from the day stock is there to the day it leaves and the day it arrives, and back. Pure.

use canonical_model::account::Address;
use jiff::{Timestamp, ToSpan, civil::Date};

use crate::policy::SitePolicy;

/// No calendar is searched further than this for a working day.
const MAX_SEARCH: u16 = 800;

/// The calendar of one site for one destination, seen from one instant.
#[derive(Debug, Clone)]
pub struct Calendar<'a> {
    policy: &'a SitePolicy,
    today: Date,
    first_pick: Date,
    transit_days: u8,
}

impl<'a> Calendar<'a> {
    /// The calendar as it is now; without a destination the site's own transit time holds.
    pub fn new(policy: &'a SitePolicy, to: Option<&Address>, now: Timestamp) -> Self {
        let local = policy.zone().to_datetime(now);
        let today = local.date();
        let first = if local.time() > policy.cut_off {
            next(today)
        } else {
            today
        };
        let mut calendar = Self {
            policy,
            today,
            first_pick: first,
            transit_days: transit(policy, to),
        };
        calendar.first_pick = calendar.working_day_from(first);
        calendar
    }

    /// The site's own day.
    pub const fn today(&self) -> Date {
        self.today
    }

    /// The first day on which work on an order decided now can begin.
    pub const fn first_pick(&self) -> Date {
        self.first_pick
    }

    /// The day on which work begins on what is there from this day on.
    pub fn pick_day(&self, available: Date) -> Date {
        self.working_day_from(available.max(self.first_pick))
    }

    /// The day it leaves.
    pub fn ship_date(&self, pick: Date) -> Date {
        self.add_working_days(pick, self.policy.pick_pack_days)
    }

    /// The day it arrives.
    pub fn delivery_date(&self, pick: Date) -> Date {
        self.add_working_days(self.ship_date(pick), self.transit_days)
    }

    /// The last day to begin so that it arrives by this one; None where even the first is too late.
    pub fn latest_pick(&self, delivery: Date) -> Option<Date> {
        let mut day = delivery;
        for _ in 0..MAX_SEARCH {
            if day < self.first_pick {
                return None;
            }
            if self.works(day) && self.delivery_date(day) <= delivery {
                return Some(day);
            }
            day = day.saturating_sub(1.day());
        }
        None
    }

    fn works(&self, day: Date) -> bool {
        let weekday = day.weekday();
        let working = self
            .policy
            .working_days
            .iter()
            .any(|known| known.weekday() == weekday);
        working && !self.policy.holidays.contains(&day)
    }

    fn working_day_from(&self, from: Date) -> Date {
        let mut day = from;
        for _ in 0..MAX_SEARCH {
            if self.works(day) {
                break;
            }
            day = next(day);
        }
        day
    }

    fn add_working_days(&self, from: Date, days: u8) -> Date {
        (0..days).fold(from, |day, _| self.working_day_from(next(day)))
    }
}

fn next(day: Date) -> Date {
    day.saturating_add(1.day())
}

fn transit(policy: &SitePolicy, to: Option<&Address>) -> u8 {
    let known = to.and_then(|address| {
        let region = address
            .region
            .as_ref()
            .map(|region| format!("{}-{region}", address.country));
        let by_region = region.and_then(|key| policy.transit_days_to.get(&key));
        by_region.or_else(|| policy.transit_days_to.get(&address.country))
    });
    known.copied().unwrap_or(policy.transit_days)
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};
    use rstest::rstest;

    use super::*;

    fn site() -> SitePolicy {
        SitePolicy {
            time_zone: "America/New_York".to_owned(),
            cut_off: time(15, 0, 0, 0),
            pick_pack_days: 1,
            transit_days: 2,
            transit_days_to: [("US".to_owned(), 3), ("US-OH".to_owned(), 1)].into(),
            holidays: vec![date(2026, 11, 26)],
            ..SitePolicy::default()
        }
    }

    fn to(country: &str, region: &str) -> Address {
        Address {
            lines: Vec::new(),
            city: "City".to_owned(),
            region: Some(region.to_owned()),
            postal_code: None,
            country: country.to_owned(),
        }
    }

    fn at(now: &str) -> Timestamp {
        now.parse().unwrap()
    }

    // 2026-11-20 is a Friday; New York is five hours behind UTC.
    #[rstest]
    #[case("2026-11-20T20:00:00Z", date(2026, 11, 20), "at the cut-off")]
    #[case(
        "2026-11-20T20:00:01Z",
        date(2026, 11, 23),
        "after it: over the weekend"
    )]
    #[case("2026-11-20T02:00:00Z", date(2026, 11, 20), "in the evening before")]
    #[case("2026-11-25T21:00:00Z", date(2026, 11, 27), "over a holiday")]
    fn work_begins_by_the_cut_off_on_a_working_day(
        #[case] now: &str,
        #[case] first: Date,
        #[case] why: &str,
    ) {
        let site = site();
        assert_eq!(
            Calendar::new(&site, None, at(now)).first_pick(),
            first,
            "{why}"
        );
    }

    #[rstest]
    #[case(Some(("US", "OH")), date(2026, 11, 24))]
    #[case(Some(("US", "CA")), date(2026, 11, 27))]
    #[case(Some(("CA", "ON")), date(2026, 11, 25))]
    #[case(None, date(2026, 11, 25))]
    fn it_arrives_after_packing_and_the_road(
        #[case] destination: Option<(&str, &str)>,
        #[case] arrives: Date,
    ) {
        let site = site();
        let address = destination.map(|(country, region)| to(country, region));
        let calendar = Calendar::new(&site, address.as_ref(), at("2026-11-20T15:00:00Z"));
        let pick = calendar.pick_day(date(2026, 11, 1));
        assert_eq!(calendar.ship_date(pick), date(2026, 11, 23));
        assert_eq!(calendar.delivery_date(pick), arrives);
    }

    #[test]
    fn a_date_is_met_by_beginning_as_late_as_possible() {
        let site = site();
        let calendar = Calendar::new(&site, None, at("2026-11-20T15:00:00Z"));
        assert_eq!(calendar.latest_pick(date(2026, 11, 24)), None);
        assert_eq!(
            calendar.latest_pick(date(2026, 11, 25)),
            Some(date(2026, 11, 20))
        );
        // Sunday: it arrives on the Friday before, around the holiday.
        let pick = calendar.latest_pick(date(2026, 11, 29)).unwrap();
        assert_eq!(
            (pick, calendar.delivery_date(pick)),
            (date(2026, 11, 23), date(2026, 11, 27))
        );
    }

    #[test]
    fn the_day_is_the_site_s_own() {
        let site = site();
        assert_eq!(
            Calendar::new(&site, None, at("2026-11-20T02:00:00Z")).today(),
            date(2026, 11, 19)
        );
    }

    #[test]
    fn a_site_that_never_works_does_not_hang() {
        let mut site = site();
        site.working_days.clear();
        assert!(
            Calendar::new(&site, None, at("2026-11-20T15:00:00Z")).first_pick() > date(2028, 1, 1)
        );
    }
}
