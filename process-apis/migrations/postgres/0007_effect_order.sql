-- Effects that wait under one serial key: only the oldest is looked at. `lease_effects` stands in 0001.
UPDATE schema_needs SET version = 7;
