"""The web page of `elsa demo`: a sound put into a room, heard, seen and asked about. `page` alone knows gradio; the rest are functions."""
