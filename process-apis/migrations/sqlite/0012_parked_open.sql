-- How many news of a source wait or are kept, without those that a person put aside.
CREATE INDEX parked_news_open ON parked_news (source) WHERE stage <> 'dismissed';
