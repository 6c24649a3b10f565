"""The two networks of Koretzky (2019): one estimates masks, one says when somebody sings."""
