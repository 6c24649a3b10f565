"""The two networks of Koretzky (2019): one estimates masks, one detects vocal activity."""
