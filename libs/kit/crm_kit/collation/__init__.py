"""Text compared and ordered as people do: whatever its case, accents and width, Chinese by pinyin.

`keys` makes the key of a text, `pinyin` knows where a Chinese character stands among all others.
"""
